delete t from `shop`.`replicator_moved_1` as v straight_join `shop`.`node` as t force index (primary) on t.`id` = v.`old_1`;
insert into `shop`.`node` (`id`, `up`)
select v.`id`, v.`up`
from `shop`.`replicator_moved_1` as v
