insert into `shop`.`replicator_moved_1` (`customer`, `id`, `total`, `code`, `old_1`, `old_2`)
select v.c4, v.c3, t.`total`, t.`code`, t.`id`, t.`customer`
from json_table(?, '$[*]' columns (
    c1 longtext character set utf8mb4 path '$[0]' error on error,
    c2 longtext character set utf8mb4 path '$[1]' error on error,
    c3 longtext character set utf8mb4 path '$[2]' error on error,
    c4 longtext character set utf8mb4 path '$[3]' error on error
  )) as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = cast(v.c1 as signed) and t.`customer` = convert(v.c2 using utf8mb4) collate utf8mb4_bin and cast(t.`customer` as binary) = cast(convert(v.c2 using utf8mb4) collate utf8mb4_bin as binary)
