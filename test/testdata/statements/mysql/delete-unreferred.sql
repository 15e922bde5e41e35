delete `shop`.`orders` from `shop`.`orders` force index (primary)
left join `shop`.`item` as c0 on c0.`total` = `shop`.`orders`.`id` and c0.`name` = `shop`.`orders`.`customer`
left join `shop`.`orders` as c1 on c1.`total` = `shop`.`orders`.`id` and c1.`name` = `shop`.`orders`.`customer` and not (c1.`id` = `shop`.`orders`.`id` and c1.`customer` = `shop`.`orders`.`customer`)
where `id` in (1) and c0.`total` is null and c1.`total` is null
