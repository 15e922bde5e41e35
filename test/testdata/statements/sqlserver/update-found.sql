update t set
  [total] = cast(v.c3 as decimal(12, 2)),
  [code] = cast(v.c4 collate Latin1_General_BIN2 as nvarchar(10))
from openjson(@rows) with (
  c1 nvarchar(4000) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(64) '$[2]',
  c4 nvarchar(4000) '$[3]'
) as v
inner join [dbo].[orders] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c2 as bigint)
    and t.[customer] = cast(v.c1 collate Latin1_General_BIN2 as varchar(20))
    and cast(t.[customer] as varbinary(8000)) = cast(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)) as varbinary(8000))
    and datalength(t.[customer]) = datalength(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)));
