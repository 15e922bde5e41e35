select v.`kind_number` as found_number, count(*) as found_count
from `shop`.`keyless` as t
straight_join `shop`.`replicator_equal_1` as v force index (primary)
on v.`kind_hash` = crc32(concat_ws('|', left(cast(t.`n` as binary), 64), left(cast(t.`name` as binary), 64), left(cast(t.`amount` as binary), 64)))
and t.`n` <=> v.`n`
and cast(t.`name` as binary) <=> cast(v.`name` as binary)
and t.`amount` <=> v.`amount`
and t.`flags` <=> v.`flags`
and t.`place` <=> v.`place`
group by v.`kind_number`
