update `shop`.`orders` set `code` = null where (`id`, `customer`) in ((1, 'x')) and (`id`, cast(`customer` as binary)) in ((1, cast(convert('x' using utf8mb4) as binary)))
