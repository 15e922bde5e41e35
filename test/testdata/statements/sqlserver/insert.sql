declare @inserted int;
insert into [dbo].[log] ([at], [what])
select cast(v.c1 as datetime2(6)), cast(v.c2 collate Latin1_General_BIN2 as varchar(20))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]'
) as v;
set @inserted = @@rowcount;
