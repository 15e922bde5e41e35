delete from `shop`.`Every ``Thing``` where `id` in (x'00ff00ff00ff00ff00ff00ff00ff00ff')
