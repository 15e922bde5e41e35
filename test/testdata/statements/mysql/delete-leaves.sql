delete t from `shop`.`node` as t where `id` in (1) and not exists (select 1 from (select * from `shop`.`node`) as c where c.`up` = t.`id`)
