select 1 as found from json_table(?, '$[*]' columns (
    c1 longtext character set utf8mb4 path '$[0]' error on error,
    c2 longtext character set utf8mb4 path '$[1]' error on error,
    c3 longtext character set utf8mb4 path '$[2]' error on error,
    c4 longtext character set utf8mb4 path '$[3]' error on error
  )) as v
group by cast(v.c2 as signed), convert(v.c1 using utf8mb4) collate utf8mb4_bin
having count(*) > 1 limit 1
