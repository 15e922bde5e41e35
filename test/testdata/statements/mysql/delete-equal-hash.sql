update `shop`.`replicator_equal_1` as v set v.`kind_hash` = crc32(concat_ws('|', left(cast(v.`n` as binary), 64), left(cast(v.`name` as binary), 64), left(cast(v.`amount` as binary), 64)))
