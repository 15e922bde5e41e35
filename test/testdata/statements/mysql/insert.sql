insert into `shop`.`item` (`id`, `name`, `total`)
select v.`id`, v.`name`, v.`total`
from `shop`.`replicator_rows_1` as v
