insert into `shop`.`V` (`id`, `name`, `total`)
select w.`id`, w.`name`, w.`total`
from `shop`.`replicator_rows_1` as w
on duplicate key update
  `name` = w.`name`,
  `total` = w.`total`
