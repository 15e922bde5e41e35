insert into `shop`.`item` (`id`, `name`, `total`)
select v.c1, v.c2, v.c3
from json_table(?, '$[*]' columns (
    c1 longtext character set utf8mb4 path '$[0]' error on error,
    c2 longtext character set utf8mb4 path '$[1]' error on error,
    c3 longtext character set utf8mb4 path '$[2]' error on error
  )) as v
