insert into `shop`.`orders` (`customer`, `id`, `total`, `code`)
select v.`customer`, v.`id`, v.`total`, v.`code`
from `shop`.`replicator_rows_1` as v
left join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer` and cast(t.`customer` as binary) = cast(v.`customer` as binary)
where t.`id` is null
