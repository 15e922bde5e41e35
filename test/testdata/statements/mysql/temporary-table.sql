create temporary table `shop`.`replicator_rows_1` (
  `id` binary(16) not null,
  `flags` bit(4) null,
  `at` datetime(6) null,
  `place` longtext character set utf8mb4 null,
  primary key (`id`)
) engine = InnoDB
