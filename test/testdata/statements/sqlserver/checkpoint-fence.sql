if not exists (
  select 1 from [dbo].replicator_checkpoint with (repeatableread, rowlock)
  where schema_name = @schema and epoch = cast(@epoch as bigint)
) throw 50009, 'the epoch does not hold', 1;
