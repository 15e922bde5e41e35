update `shop`.`replicator_rows_1` as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer` and cast(t.`customer` as binary) = cast(v.`customer` as binary)
set t.`total` = v.`total`,
  t.`code` = v.`code`
