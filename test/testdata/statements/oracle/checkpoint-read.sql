select applied, epoch from "SHOP".REPLICATOR_CHECKPOINT where schema_name = :1
