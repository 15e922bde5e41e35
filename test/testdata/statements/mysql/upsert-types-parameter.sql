insert into `shop`.`Every ``Thing``` (`id`, `flags`, `at`, `place`)
select unhex(v.c1), cast(conv(v.c2, 16, 10) as unsigned), v.c3, case when v.c4 is null then null
    when left(v.c4, 1) = 'T' then coalesce(st_geomfromtext(substring(v.c4, locate(' ', v.c4) + 1), cast(substring(v.c4, 2, locate(' ', v.c4) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.c4)), 0))
    else coalesce(st_geomfromwkb(unhex(substring(v.c4, locate(' ', v.c4) + 1)), cast(substring(v.c4, 2, locate(' ', v.c4) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.c4)), 0)) end
from json_table(?, '$[*]' columns (
    c1 mediumtext character set utf8mb4 path '$[0]' error on error,
    c2 mediumtext character set utf8mb4 path '$[1]' error on error,
    c3 longtext character set utf8mb4 path '$[2]' error on error,
    c4 longtext character set utf8mb4 path '$[3]' error on error
  )) as v
on duplicate key update
  `flags` = cast(conv(v.c2, 16, 10) as unsigned),
  `at` = v.c3,
  `place` = case when v.c4 is null then null
    when left(v.c4, 1) = 'T' then coalesce(st_geomfromtext(substring(v.c4, locate(' ', v.c4) + 1), cast(substring(v.c4, 2, locate(' ', v.c4) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.c4)), 0))
    else coalesce(st_geomfromwkb(unhex(substring(v.c4, locate(' ', v.c4) + 1)), cast(substring(v.c4, 2, locate(' ', v.c4) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.c4)), 0)) end
