declare @written int;
select @written = count(*) from (
select t.[id], t.[customer]
from openjson(@rows) with (
  c1 nvarchar(4000) '$[0]',
  c2 nvarchar(64) '$[1]'
) as v
inner join [dbo].[orders] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c2 as bigint)
    and t.[customer] = cast(v.c1 collate Latin1_General_BIN2 as varchar(20))
    and cast(t.[customer] as varbinary(8000)) = cast(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)) as varbinary(8000))
    and datalength(t.[customer]) = datalength(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)))
group by t.[id], t.[customer]
) as found;
declare @inserted int;
insert into [dbo].[orders] ([customer], [id])
select cast(v.c1 collate Latin1_General_BIN2 as varchar(20)), cast(v.c2 as bigint)
from openjson(@rows) with (
  c1 nvarchar(4000) '$[0]',
  c2 nvarchar(64) '$[1]'
) as v
where not exists (
  select 1 from [dbo].[orders] as t with (rowlock, updlock, forceseek)
  where t.[id] = cast(v.c2 as bigint)
    and t.[customer] = cast(v.c1 collate Latin1_General_BIN2 as varchar(20))
    and cast(t.[customer] as varbinary(8000)) = cast(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)) as varbinary(8000))
    and datalength(t.[customer]) = datalength(cast(v.c1 collate Latin1_General_BIN2 as varchar(20)))
);
set @inserted = @@rowcount;
set @written = @written + @inserted;
if @written <> @count throw 50013, 'two rows have one key', 1;
