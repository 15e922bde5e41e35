select applied, epoch, staging_id from "public".replicator_checkpoint where schema_name = $1
