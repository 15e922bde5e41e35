update [Odd ]]'Schema].replicator_checkpoint
set applied = @applied, updated_at = sysutcdatetime()
where schema_name = @schema and epoch = cast(@epoch as bigint) and applied = @previous;
if @@rowcount <> 1 throw 50009, 'the watermark did not move', 1;
