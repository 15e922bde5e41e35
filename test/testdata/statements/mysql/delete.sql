delete from `shop`.`item` where `id` in (1, -2)
