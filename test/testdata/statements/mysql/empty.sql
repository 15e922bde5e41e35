delete from `shop`.`item` limit 20000
