select 1 as found
from json_table(?, '$[*]' columns (
    c1 longtext character set utf8mb4 path '$[0]' error on error,
    c2 longtext character set utf8mb4 path '$[1]' error on error,
    c3 longtext character set utf8mb4 path '$[2]' error on error,
    c4 longtext character set utf8mb4 path '$[3]' error on error
  )) as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = cast(v.c1 as signed) and t.`customer` = convert(v.c2 using utf8mb4) collate utf8mb4_bin and cast(t.`customer` as binary) = cast(convert(v.c2 using utf8mb4) collate utf8mb4_bin as binary)
for update of t
