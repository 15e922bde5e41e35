create temporary table `shop`.`replicator_rows_1` (
  `n` bigint(20) null,
  `name` varchar(20) character set utf8mb4 collate utf8mb4_bin null,
  `amount` decimal(12,2) null,
  `flags` bit(4) null,
  `place` longtext character set utf8mb4 null
) engine = InnoDB
