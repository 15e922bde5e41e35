-- who did it
ALTER TRIGGER dbo.audit on dbo.[order ]]line] with execute as owner
after insert, update
NOT FOR REPLICATION
AS
begin
  insert into dbo.log (who) select suser_sname();
end
