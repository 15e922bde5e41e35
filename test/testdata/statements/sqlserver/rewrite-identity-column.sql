declare @gone table (c1 bigint, c2 nvarchar(max) collate Latin1_General_BIN2);
delete t
output deleted.[id], deleted.[b] into @gone
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(max) '$[2]'
) as v
inner join [dbo].[serial] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint)
where t.[number] <> cast(v.c2 as int);
declare @inserted int;
set identity_insert [dbo].[serial] on;
insert into [dbo].[serial] ([id], [number], [a], [b])
select cast(v.c1 as bigint), cast(v.c2 as int), cast(v.c3 collate Latin1_General_BIN2 as nvarchar(max)), g.c2
from @gone as g
inner join openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(max) '$[2]'
) as v
  on g.c1 = cast(v.c1 as bigint);
set @inserted = @@rowcount;
set identity_insert [dbo].[serial] off;
