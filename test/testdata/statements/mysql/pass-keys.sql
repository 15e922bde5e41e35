set session foreign_key_checks = 0;
delete t from `shop`.`replicator_moved_1` as v straight_join `shop`.`orders` as t force index (primary) on t.`id` = v.`old_1` and t.`customer` = v.`old_2` and cast(t.`customer` as binary) = cast(v.`old_2` as binary);
set session foreign_key_checks = 1;
insert into `shop`.`orders` (`customer`, `id`, `total`, `code`)
select v.`customer`, v.`id`, v.`total`, v.`code`
from `shop`.`replicator_moved_1` as v
