create temporary table `shop`.`replicator_memory_1` (
  `customer` varchar(20) character set utf8mb4 collate utf8mb4_bin not null,
  `id` bigint(20) not null,
  `total` decimal(12,2) null,
  `code` varchar(20) character set utf8mb4 collate utf8mb4_bin null,
  primary key (`id`, `customer`)
) engine = MEMORY
