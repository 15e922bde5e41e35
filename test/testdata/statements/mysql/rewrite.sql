set session foreign_key_checks = 0;
delete t from `shop`.`replicator_again_1` as v straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`id` and t.`customer` = v.`customer` and cast(t.`customer` as binary) = cast(v.`customer` as binary);
set session foreign_key_checks = 1;
insert into `shop`.`orders` (`customer`, `id`, `total`, `code`)
select v.`customer`, v.`id`, v.`total`, v.`code`
from `shop`.`replicator_again_1` as v
