delete from `shop`.`Every ``Thing``` where `shop`.`Every ``Thing```.`id` in (x'00ff00ff00ff00ff00ff00ff00ff00ff')
