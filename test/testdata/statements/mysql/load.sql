load data local infile 'rows' into table `shop`.`replicator_rows_1`
character set utf8mb4
fields terminated by '\t' escaped by '\\' lines terminated by '\n'
(@c1, @c2, `at`, `place`)
set `id` = unhex(@c1), `flags` = unhex(@c2)
