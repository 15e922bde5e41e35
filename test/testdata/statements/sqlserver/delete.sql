delete t
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]'
) as v
inner join [dbo].[serial] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint);
