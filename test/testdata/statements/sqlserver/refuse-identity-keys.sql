if exists (
select 1
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
    and t.[id] = cast(v.c4 as int)
where t.[id] <> cast(v.c2 as int)
) throw 50005, 'a row would have to be deleted', 1;
