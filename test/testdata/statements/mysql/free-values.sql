update `shop`.`replicator_rows_1` as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer` and cast(t.`customer` as binary) = cast(v.`customer` as binary)
left join `shop`.`orders` as o0 on o0.`code` = v.`code` and o0.`total` = t.`total` and not (o0.`id` = t.`id` and o0.`customer` = t.`customer`)
left join `shop`.`orders` as o1 on o1.`customer` = t.`customer` and o1.`code` = v.`code` and not (o1.`id` = t.`id` and o1.`customer` = t.`customer`)
set t.`code` = v.`code`
where (not (t.`code` <=> v.`code`))
and o0.`id` is null
and o1.`id` is null
