select applied, epoch, staging_id from "SHOP".REPLICATOR_CHECKPOINT where schema_name = :1
