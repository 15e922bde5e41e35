ALTER TABLE [dbo].[order ]]line] DROP CONSTRAINT [positive];
ALTER TABLE [dbo].[order ]]line] WITH NOCHECK ADD CONSTRAINT [positive]
  CHECK NOT FOR REPLICATION ([n]>(0));
