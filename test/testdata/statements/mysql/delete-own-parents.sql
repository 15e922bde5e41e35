delete `shop`.`node` from `shop`.`node` force index (primary)
left join `shop`.`node` as c0 on c0.`up` = `shop`.`node`.`id` and not (c0.`id` = `shop`.`node`.`id`)
where `shop`.`node`.`id` in (1) and c0.`id` is null
