declare @gone table (c1 nvarchar(20) collate Latin1_General_BIN2, c2 int, c3 varchar(max) collate Latin1_General_BIN2);
delete t
output deleted.[tenant], deleted.[id], deleted.[a] into @gone
from openjson(@rows) with (
  c1 nvarchar(4000) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(4000) '$[2]',
  c4 nvarchar(64) '$[3]'
) as v
inner join [dbo].[numbered_pair] as t with (rowlock, updlock, forceseek)
  on t.[tenant] = cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20))
    and cast(t.[tenant] as varbinary(8000)) = cast(cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20)) as varbinary(8000))
    and datalength(t.[tenant]) = datalength(cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20)))
    and t.[id] = cast(v.c4 as int);
declare @inserted int;
set identity_insert [dbo].[numbered_pair] on;
insert into [dbo].[numbered_pair] ([tenant], [id], [a])
select cast(v.c1 collate Latin1_General_BIN2 as nvarchar(20)), cast(v.c2 as int), g.c3
from @gone as g
inner join openjson(@rows) with (
  c1 nvarchar(4000) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(4000) '$[2]',
  c4 nvarchar(64) '$[3]'
) as v
  on g.c1 = cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20))
    and cast(g.c1 as varbinary(8000)) = cast(cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20)) as varbinary(8000))
    and datalength(g.c1) = datalength(cast(v.c3 collate Latin1_General_BIN2 as nvarchar(20)))
    and g.c2 = cast(v.c4 as int);
set @inserted = @@rowcount;
set identity_insert [dbo].[numbered_pair] off;
