select applied, cast(epoch as char) as epoch, staging_id from `shop`.replicator_checkpoint where schema_name = 'shop'
