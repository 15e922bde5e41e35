insert into `shop`.`Every ``Thing``` (`id`, `flags`, `at`, `place`)
select v.`id`, v.`flags`, v.`at`, case when v.`place` is null then null
    when left(v.`place`, 1) = 'T' then coalesce(st_geomfromtext(substring(v.`place`, locate(' ', v.`place`) + 1), cast(substring(v.`place`, 2, locate(' ', v.`place`) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.`place`)), 0))
    else coalesce(st_geomfromwkb(unhex(substring(v.`place`, locate(' ', v.`place`) + 1)), cast(substring(v.`place`, 2, locate(' ', v.`place`) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.`place`)), 0)) end
from `shop`.`replicator_rows_1` as v
on duplicate key update
  `flags` = v.`flags`,
  `at` = v.`at`,
  `place` = case when v.`place` is null then null
    when left(v.`place`, 1) = 'T' then coalesce(st_geomfromtext(substring(v.`place`, locate(' ', v.`place`) + 1), cast(substring(v.`place`, 2, locate(' ', v.`place`) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.`place`)), 0))
    else coalesce(st_geomfromwkb(unhex(substring(v.`place`, locate(' ', v.`place`) + 1)), cast(substring(v.`place`, 2, locate(' ', v.`place`) - 2) as unsigned), 'axis-order=long-lat'), point(exp(710 + length(v.`place`)), 0)) end
