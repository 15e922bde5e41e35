if exists (
select 1
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(max) '$[2]'
) as v
inner join [dbo].[serial] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint)
where t.[number] <> cast(v.c2 as int)
) throw 50005, 'a row would have to be deleted', 1;
