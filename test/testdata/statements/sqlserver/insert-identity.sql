declare @inserted int;
set identity_insert [dbo].[log] on;
insert into [dbo].[log] ([n], [at], [what])
select cast(v.c1 as bigint), cast(v.c2 as datetime2(6)), cast(v.c3 collate Latin1_General_BIN2 as varchar(20))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(4000) '$[2]'
) as v;
set @inserted = @@rowcount;
set identity_insert [dbo].[log] off;
