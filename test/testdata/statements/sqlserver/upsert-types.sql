declare @written int;
update t set
  [bit] = cast(v.c3 as bit),
  [tiny] = cast(v.c4 as tinyint),
  [money] = cast(v.c5 as money),
  [real] = cast(v.c6 as real),
  [float] = cast(v.c7 as float(53)),
  [char] = cast(v.c8 collate Latin1_General_BIN2 as char(5)),
  [long] = cast(v.c9 collate Latin1_General_BIN2 as varchar(8000)),
  [text] = cast(v.c10 collate Latin1_General_BIN2 as varchar(max)),
  [ntext] = cast(v.c11 collate Latin1_General_BIN2 as nvarchar(max)),
  [max] = cast(v.c12 collate Latin1_General_BIN2 as nvarchar(max)),
  [doc] = cast(v.c13 collate Latin1_General_BIN2 as nvarchar(max)),
  [xml] = convert(xml, v.c14, 1),
  [image] = convert(varbinary(max), v.c15, 2),
  [date] = cast(v.c16 as date),
  [time] = cast(v.c17 as time(3)),
  [old] = cast(v.c18 as datetime),
  [older] = cast(v.c19 as smalldatetime),
  [new] = cast(v.c20 as datetime2(7)),
  [zoned] = cast(v.c21 as datetimeoffset(6)),
  [place] = case when v.c22 is null then null else geometry::STGeomFromText(substring(v.c22, charindex(';', v.c22) + 1, len(v.c22)), cast(left(v.c22, charindex(';', v.c22) - 1) as int)) end,
  [where] = case when v.c23 is null then null else geography::STGeomFromText(substring(v.c23, charindex(';', v.c23) + 1, len(v.c23)), cast(left(v.c23, charindex(';', v.c23) - 1) as int)) end,
  [node] = case when v.c24 is null then null else hierarchyid::Parse(v.c24) end,
  [any] = null
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]',
  c4 nvarchar(64) '$[3]',
  c5 nvarchar(64) '$[4]',
  c6 nvarchar(64) '$[5]',
  c7 nvarchar(64) '$[6]',
  c8 nvarchar(4000) '$[7]',
  c9 nvarchar(max) '$[8]',
  c10 nvarchar(max) '$[9]',
  c11 nvarchar(max) '$[10]',
  c12 nvarchar(max) '$[11]',
  c13 nvarchar(max) '$[12]',
  c14 nvarchar(max) '$[13]',
  c15 nvarchar(max) '$[14]',
  c16 nvarchar(64) '$[15]',
  c17 nvarchar(64) '$[16]',
  c18 nvarchar(64) '$[17]',
  c19 nvarchar(64) '$[18]',
  c20 nvarchar(64) '$[19]',
  c21 nvarchar(64) '$[20]',
  c22 nvarchar(max) '$[21]',
  c23 nvarchar(max) '$[22]',
  c24 nvarchar(4000) '$[23]',
  c25 nvarchar(max) '$[24]'
) as v
inner join [dbo].[Every [Thing]]] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as uniqueidentifier)
    and t.[bin] = convert(varbinary(16), v.c2, 2)
    and cast(t.[bin] as varbinary(8000)) = cast(convert(varbinary(16), v.c2, 2) as varbinary(8000))
    and datalength(t.[bin]) = datalength(convert(varbinary(16), v.c2, 2));
set @written = @@rowcount;
declare @inserted int;
insert into [dbo].[Every [Thing]]] ([id], [bin], [bit], [tiny], [money], [real], [float], [char], [long], [text], [ntext], [max], [doc], [xml], [image], [date], [time], [old], [older], [new], [zoned], [place], [where], [node], [any])
select cast(v.c1 as uniqueidentifier), convert(varbinary(16), v.c2, 2), cast(v.c3 as bit), cast(v.c4 as tinyint), cast(v.c5 as money), cast(v.c6 as real), cast(v.c7 as float(53)), cast(v.c8 collate Latin1_General_BIN2 as char(5)), cast(v.c9 collate Latin1_General_BIN2 as varchar(8000)), cast(v.c10 collate Latin1_General_BIN2 as varchar(max)), cast(v.c11 collate Latin1_General_BIN2 as nvarchar(max)), cast(v.c12 collate Latin1_General_BIN2 as nvarchar(max)), cast(v.c13 collate Latin1_General_BIN2 as nvarchar(max)), convert(xml, v.c14, 1), convert(varbinary(max), v.c15, 2), cast(v.c16 as date), cast(v.c17 as time(3)), cast(v.c18 as datetime), cast(v.c19 as smalldatetime), cast(v.c20 as datetime2(7)), cast(v.c21 as datetimeoffset(6)), case when v.c22 is null then null else geometry::STGeomFromText(substring(v.c22, charindex(';', v.c22) + 1, len(v.c22)), cast(left(v.c22, charindex(';', v.c22) - 1) as int)) end, case when v.c23 is null then null else geography::STGeomFromText(substring(v.c23, charindex(';', v.c23) + 1, len(v.c23)), cast(left(v.c23, charindex(';', v.c23) - 1) as int)) end, case when v.c24 is null then null else hierarchyid::Parse(v.c24) end, null
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]',
  c4 nvarchar(64) '$[3]',
  c5 nvarchar(64) '$[4]',
  c6 nvarchar(64) '$[5]',
  c7 nvarchar(64) '$[6]',
  c8 nvarchar(4000) '$[7]',
  c9 nvarchar(max) '$[8]',
  c10 nvarchar(max) '$[9]',
  c11 nvarchar(max) '$[10]',
  c12 nvarchar(max) '$[11]',
  c13 nvarchar(max) '$[12]',
  c14 nvarchar(max) '$[13]',
  c15 nvarchar(max) '$[14]',
  c16 nvarchar(64) '$[15]',
  c17 nvarchar(64) '$[16]',
  c18 nvarchar(64) '$[17]',
  c19 nvarchar(64) '$[18]',
  c20 nvarchar(64) '$[19]',
  c21 nvarchar(64) '$[20]',
  c22 nvarchar(max) '$[21]',
  c23 nvarchar(max) '$[22]',
  c24 nvarchar(4000) '$[23]',
  c25 nvarchar(max) '$[24]'
) as v
where not exists (
  select 1 from [dbo].[Every [Thing]]] as t with (rowlock, updlock, forceseek)
  where t.[id] = cast(v.c1 as uniqueidentifier)
    and t.[bin] = convert(varbinary(16), v.c2, 2)
    and cast(t.[bin] as varbinary(8000)) = cast(convert(varbinary(16), v.c2, 2) as varbinary(8000))
    and datalength(t.[bin]) = datalength(convert(varbinary(16), v.c2, 2))
);
set @inserted = @@rowcount;
set @written = @written + @inserted;
if @written <> @count throw 50013, 'two rows have one key', 1;
