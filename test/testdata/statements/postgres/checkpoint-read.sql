select applied, epoch from "public".replicator_checkpoint where schema_name = $1
