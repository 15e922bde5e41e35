select 1 as found from `shop`.`replicator_rows_1` as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer`
where not (cast(t.`customer` as binary) = cast(v.`customer` as binary))
limit 1
