insert into `shop`.`replicator_again_1` (`customer`, `id`, `total`, `code`)
select v.`customer`, v.`id`, t.`total`, v.`code`
from `shop`.`replicator_rows_1` as v
straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer` and cast(t.`customer` as binary) = cast(v.`customer` as binary)
where not (t.`code` <=> v.`code`)
