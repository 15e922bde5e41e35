insert into `shop`.`item` (`id`)
select v.`id`
from `shop`.`replicator_rows_1` as v
on duplicate key update
  `id` = `shop`.`item`.`id`
