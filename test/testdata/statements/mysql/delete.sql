delete from `shop`.`item` where `shop`.`item`.`id` in (1, -2)
