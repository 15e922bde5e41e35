insert into `shop`.`node` (`id`, `up`)
select v.`id`, v.`up`
from `shop`.`replicator_rows_1` as v
left join `shop`.`node` as t force index (primary) on t.`id` = v.`id`
where t.`id` is null and (v.`up` is null or (v.`up` = v.`id`) or exists (select 1 from `shop`.`node` as p where p.`id` = v.`up`))
