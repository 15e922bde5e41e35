update `Odd ``Name```.replicator_checkpoint
set applied = '2.0', updated_at = now(6)
where schema_name = '"Odd `Name`"' and epoch = 7 and applied = '1.0';
select exp(710 * (row_count() <> 1))
