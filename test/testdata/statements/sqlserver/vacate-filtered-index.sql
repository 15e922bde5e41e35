update t set
  [code] = null
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]'
) as v
inner join [dbo].[filtered] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint);
